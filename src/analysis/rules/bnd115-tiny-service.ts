/** A service of one relation that others wait for. */
import { finding, type Rule } from './rule.js';

const READERS = 3;

export const tinyService: Rule = ({ services, crossings }) =>
  services.flatMap((service) => {
    if (service.relations.length !== 1) return [];
    const readers = new Set(
      crossings.flatMap(({ reference, services: ends }) =>
        reference !== undefined && ends[1] === service.name ? [ends[0]] : [],
      ),
    );
    return readers.size < READERS
      ? []
      : [
          finding(
            'BND115',
            service.name,
            `It owns only ${service.relations[0] ?? ''}, which ${readers.size} services refer to.`,
            { service: service.name },
          ),
        ];
  });
