/** Files that wrangler bundles as texts: see rules in wrangler.toml. */

declare module "*.svg" {
  const text: string;
  export default text;
}
