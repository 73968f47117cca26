/** Public subpath `dbps/router`: what an application imports to follow its services through every cutover and back. */
export {
  createRouter,
  type Router,
  type RouterOptions,
  type RouterSession,
  type TransactionOptions,
  type WriteOptions,
} from './router.js';
export type { ReadQuestion } from './read-choice.js';
export type { RouteChangeEvent } from './route-watch.js';
export type { TransactionWork } from './routed-transaction.js';
export type { Route } from '../state/route.js';
export { DatabaseError, InterruptedError, UsageError } from '../model/errors.js';
