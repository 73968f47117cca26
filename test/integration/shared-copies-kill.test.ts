/** A fixed sample of the instants at which whoever moves copies of shared relations may die; `npm run torture` goes through all of them. */
import { tortureCopies } from '../support/torture-copies.js';

tortureCopies(13);
