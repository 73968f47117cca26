/** What information_schema is asked, one query a subject; `?` is the list of databases. Columns come back in lower case. */
import type { MysqlFlavor } from './mysql-flavor.js';

export const tablesSql = `
  SELECT table_schema, table_name, table_type, engine, row_format, table_rows, data_length + index_length AS bytes,
         table_collation, create_options, table_comment
    FROM information_schema.tables WHERE table_schema IN (?) ORDER BY table_schema, table_name`;

export const columnsSql = (flavor: MysqlFlavor): string => `
  SELECT table_schema, table_name, column_name, ordinal_position, column_default, is_nullable, data_type, column_type,
         character_set_name, collation_name, extra, generation_expression, column_comment, ${flavor.spatialReference} AS srs_id
    FROM information_schema.columns WHERE table_schema IN (?) ORDER BY table_schema, table_name, ordinal_position`;

export const indexesSql = (flavor: MysqlFlavor): string => `
  SELECT table_schema, table_name, index_name, non_unique, seq_in_index, column_name, collation, sub_part, index_type,
         index_comment, ${flavor.indexExpression} AS expression, ${flavor.indexVisibility} AS is_visible
    FROM information_schema.statistics WHERE table_schema IN (?)
   ORDER BY table_schema, table_name, index_name, seq_in_index`;

/** MariaDB shows the rules to those alone who may do more than SELECT: NULL for others. */
export const foreignKeysSql = `
  SELECT k.table_schema, k.table_name, k.constraint_name, k.column_name, k.referenced_table_schema, k.referenced_table_name,
         k.referenced_column_name, r.update_rule, r.delete_rule
    FROM information_schema.key_column_usage k
    LEFT JOIN information_schema.referential_constraints r
      ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name
   WHERE k.table_schema IN (?) AND k.referenced_table_name IS NOT NULL
   ORDER BY k.table_schema, k.table_name, k.constraint_name, k.ordinal_position`;

export const viewsSql = `
  SELECT table_schema, table_name, view_definition, security_type, check_option FROM information_schema.views
   WHERE table_schema IN (?) ORDER BY table_schema, table_name`;

export const triggersSql = `
  SELECT event_object_schema AS table_schema, event_object_table AS table_name, trigger_name, event_manipulation,
         action_timing, action_statement, definer, sql_mode
    FROM information_schema.triggers WHERE event_object_schema IN (?)
   ORDER BY event_object_schema, event_object_table, action_order, trigger_name`;

export const routinesSql = `
  SELECT routine_schema, routine_name, routine_type, dtd_identifier, routine_definition, security_type, definer, sql_mode
    FROM information_schema.routines WHERE routine_schema IN (?) ORDER BY routine_schema, routine_name`;

export const eventsSql = `
  SELECT event_schema, event_name, event_definition, status, definer, sql_mode, time_zone FROM information_schema.events
   WHERE event_schema IN (?) ORDER BY event_schema, event_name`;

export const parametersSql = `
  SELECT specific_schema, specific_name, ordinal_position, data_type, dtd_identifier, parameter_mode
    FROM information_schema.parameters WHERE specific_schema IN (?) AND ordinal_position > 0
   ORDER BY specific_schema, specific_name, ordinal_position`;

export const partitionsSql = `
  SELECT table_schema, table_name, partition_method, partition_expression, subpartition_method, subpartition_expression,
         COUNT(*) AS partitions
    FROM information_schema.partitions WHERE table_schema IN (?) AND partition_name IS NOT NULL
   GROUP BY table_schema, table_name, partition_method, partition_expression, subpartition_method, subpartition_expression`;
