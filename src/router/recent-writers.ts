/**
 * Sessions that wrote a moment ago: their reads stay with the owner until the follower has surely caught up. Bounded, because keys come
 * from users; when it is full the oldest go first, and those are the nearest to their end anyway.
 */
export class RecentWriters {
  readonly #until = new Map<string, number>();

  constructor(
    private readonly windowMs: number,
    private readonly now: () => number,
    private readonly limit = 100_000,
  ) {}

  note(service: string, key: string): void {
    const id = `${service}\0${key}`;
    // Set again at the end, so that the map stays in order of expiry.
    this.#until.delete(id);
    this.#until.set(id, this.now() + this.windowMs);
    for (const [oldest, until] of this.#until) {
      if (until > this.now() && this.#until.size <= this.limit) break;
      this.#until.delete(oldest);
    }
  }

  has(service: string, key: string): boolean {
    const until = this.#until.get(`${service}\0${key}`);
    return until !== undefined && until > this.now();
  }
}
