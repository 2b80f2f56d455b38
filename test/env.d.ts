declare namespace Cloudflare {
  interface Env {
    /** Set by vitest.config.ts. */
    MIGRATIONS: import("cloudflare:test").D1Migration[];
    /** Other databases, for those that have several: see support/settings.ts. */
    MAIN_DB: D1Database;
    THIRD_DB: D1Database;
    /** Another bucket, for those that objects move to. */
    OTHER: R2Bucket;
    /** An empty folder of this machine. */
    DISK: Fetcher;
    /** Answers where the tests' own miniflare listens. Set by vitest.config.ts. */
    WHERE: Fetcher;
  }
}
