/** `migrate advance` and `rollback` on the MySQL family, killed at every instant of every transition. */
import { tortureLife } from '../support/torture-life.js';

tortureLife('advance', 'mysql');
