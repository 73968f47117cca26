/** The long-lived `run`, killed at every instant of every transition that it was asked for. */
import { tortureLife } from '../support/torture-life.js';

tortureLife('run');
