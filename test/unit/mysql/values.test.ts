import { expect, test } from 'vitest';
import { doubleText, jsonText } from '../../../src/engines/mysql/mysql-json.js';
import {
  fromBytes,
  fromServer,
  literal,
  mysqlType,
  readSql,
  toBytes,
  typeLabels,
} from '../../../src/engines/mysql/mysql-values.js';

test('types are read as the introspector writes them', () => {
  expect(mysqlType('bigint unsigned')).toMatchObject({ kind: 'integer', isUnsigned: true });
  expect(mysqlType('decimal(65,30)')).toMatchObject({ kind: 'decimal', length: 65, scale: 30 });
  expect(mysqlType('int(5) unsigned zerofill')).toMatchObject({ kind: 'integer', isZerofill: true });
  expect(mysqlType("enum('unsigned','zerofill')")).toMatchObject({ isUnsigned: false, isZerofill: false });
  expect(mysqlType('datetime(3) /* mariadb-5.3 */')).toMatchObject({ kind: 'temporal', length: 3 });
  expect(() => mysqlType('hstore')).toThrow(/no canonical text/);
});

test('labels may hold commas, quotes and brackets', () => {
  expect(typeLabels("enum('a','b, c','it''s','x)','')")).toEqual(['a', 'b, c', "it's", 'x)', '']);
});

test('literals keep their meaning, and cannot break out', () => {
  expect(literal('bigint unsigned', '18446744073709551615')).toBe('18446744073709551615');
  expect(literal('double', '0.1')).toBe('0.1e0');
  expect(literal('double', '1e+21')).toBe('1e+21');
  expect(literal('bit(9)', '101010101')).toBe('341');
  expect(literal('varbinary(8)', '\\x00ff')).toBe("x'00ff'");
  expect(literal('varchar(9)', "it's")).toBe("'it''s'");
  expect(literal('varchar(9)', "\\'; --")).toBe("_utf8mb4 x'5c273b202d2d'");
  expect(literal("enum('a')", '')).toBe('0');
  expect(literal("enum('a','')", '')).toBe("''");
  for (const [type, value] of [
    ['int', '1 OR 1=1'],
    ['decimal(3,1)', "1'"],
    ['blob', '\\xzz'],
    ['bit(1)', '2'],
    ['double', 'Infinity'],
  ] as const)
    expect(() => literal(type, value)).toThrow(/not in canonical text/);
});

test('what a query needs to read and to write canonical text', () => {
  expect(readSql('varchar(3)', '`c`')).toBe('`c`');
  expect(readSql('float', '`c`')).toBe('(`c` + 0e0)');
  expect(fromServer('float')?.('1e21')).toBe('1e+21');
  expect(fromServer('double')?.('-0')).toBe('0');
  expect(fromServer('decimal(3,2)')).toBeNull();
  const decoded = (type: string, bytes: string | Buffer) => {
    const buffer = Buffer.concat([Buffer.from('ab'), Buffer.from(bytes as string), Buffer.from('c')]);
    return fromBytes(type)(buffer, 2, buffer.length - 1);
  };
  expect(decoded('int(8) unsigned zerofill', '00000070')).toBe('70');
  expect(decoded('int(8) unsigned zerofill', '00000000')).toBe('0');
  expect(decoded('decimal(6,2) unsigned zerofill', '0000.50')).toBe('0.50');
  expect(decoded('decimal(6,2)', '-0.50')).toBe('-0.50');
  expect(decoded('double', '1e21')).toBe('1e+21');
  expect(decoded('bit(9)', Buffer.from([1, 0x55]))).toBe('101010101');
  expect(decoded('blob', Buffer.from([0, 255]))).toBe('\\x00ff');
  expect(decoded('blob', '')).toBe('\\x');
  expect(decoded('text', 'é😀')).toBe('é😀');
  expect(toBytes('bit(9)')?.('101010101')).toEqual(Buffer.from([1, 0x55]));
  expect(toBytes('bit(9)')?.('000000001')).toEqual(Buffer.from([0, 1]));
  expect(toBytes('geometry')?.('\\x00ff')).toEqual(Buffer.from([0, 255]));
  expect(toBytes('text')).toBeNull();
});

test('doubles are printed as the server prints them', () => {
  const printed: Readonly<Record<string, number>> = {
    '1.5e15': 1.5e15,
    '123456789012345': 123456789012345,
    '1e15': 1e15,
    '0.00000000000001': 1e-14,
    '0.000000000000001': 1e-15,
    '1e-16': 1e-16,
    '0.00000000000015': 1.5e-13,
    '0.000012345678901234568': 1.2345678901234567e-5,
    '1.2345678901234568e17': 123456789012345678,
    '-0.1': -0.1,
    '100000000000000': 1e14,
    '-0': -0,
  };
  for (const [text, value] of Object.entries(printed)) expect(doubleText(value)).toBe(text);
});

test('binary JSON keeps the order of keys, decimals, and what is a double', () => {
  // {"a": 1, "10": 2.0, "big": 18446744073709551615, "dec": -12.50, "s": "x\n"}, laid out by hand after json_binary.h.
  const keys = ['a', 's', '10', 'big', 'dec'];
  const double = Buffer.alloc(8);
  double.writeDoubleLE(2);
  const payloads: Readonly<Record<string, readonly [number, Buffer]>> = {
    a: [0x05, Buffer.from([1, 0])],
    s: [0x0c, Buffer.from([2, 0x78, 0x0a])],
    '10': [0x0b, double],
    big: [0x0a, Buffer.alloc(8, 0xff)],
    dec: [0x0f, Buffer.from([246, 4, 4, 2, 0x7f ^ 12, 0xff ^ 50])],
  };
  const head = 4 + keys.length * 7;
  const parts: Buffer[] = [];
  let at = head;
  const put = (bytes: Buffer) => {
    parts.push(bytes);
    at += bytes.length;
    return at - bytes.length;
  };
  const header = Buffer.alloc(head);
  header.writeUInt16LE(keys.length, 0);
  keys.forEach((key, i) => {
    header.writeUInt16LE(put(Buffer.from(key)), 4 + i * 4);
    header.writeUInt16LE(key.length, 6 + i * 4);
  });
  keys.forEach((key, i) => {
    const [type, bytes] = payloads[key]!;
    const entry = 4 + keys.length * 4 + i * 3;
    header[entry] = type;
    if (type === 0x05) bytes.copy(header, entry + 1);
    else header.writeUInt16LE(put(bytes), entry + 1);
  });
  header.writeUInt16LE(at, 2);
  expect(jsonText(Buffer.concat([Buffer.from([0]), header, ...parts]))).toBe(
    '{"a": 1, "s": "x\\n", "10": 2.0, "big": 18446744073709551615, "dec": -12.50}',
  );
  expect(jsonText(Buffer.from([0x04, 1]))).toBe('true');
  expect(jsonText(Buffer.alloc(0))).toBe('null');
});
