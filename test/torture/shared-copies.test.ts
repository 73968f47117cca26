/** Copies of shared relations, killed at every instant of every transition that meets them. */
import { tortureCopies } from '../support/torture-copies.js';

tortureCopies(Number(process.env['TORTURE_EVERY'] ?? 1));
