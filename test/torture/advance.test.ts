/** `migrate advance` and `rollback`, killed at every instant of every transition. */
import { tortureLife } from '../support/torture-life.js';

tortureLife('advance');
