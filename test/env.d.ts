declare namespace Cloudflare {
  interface Env {
    /** Set by vitest.config.ts. */
    MIGRATIONS: import("cloudflare:test").D1Migration[];
    /** Another bucket, for those that objects move to. */
    OTHER: R2Bucket;
    /** Answers where the tests' own miniflare listens. Set by vitest.config.ts. */
    WHERE: Fetcher;
  }
}
