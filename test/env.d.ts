declare namespace Cloudflare {
  interface Env {
    /** Set by vitest.config.ts. */
    MIGRATIONS: import("cloudflare:test").D1Migration[];
  }
}
