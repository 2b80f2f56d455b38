declare namespace Cloudflare {
  interface Env {
    /** Set by vitest.config.ts. */
    MIGRATIONS: import("cloudflare:test").D1Migration[];
    /** Answers where the tests' own miniflare listens. Set by vitest.config.ts. */
    WHERE: Fetcher;
  }
}
