/** How many test files run at a time: `maxWorkers` of the configurations, and pairs of clusters that the set-up starts. */
export const FILES_AT_A_TIME = 2;
