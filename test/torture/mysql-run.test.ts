/** The long-lived `run` on the MySQL family, killed at every instant of every transition. */
import { tortureLife } from '../support/torture-life.js';

tortureLife('run', 'mysql');
