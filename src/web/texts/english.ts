/** Every text of the pages, in English. What a name, a tag or a label says is never translated. */

export const english = {
  skip: "Skip to the content",
  navigation: "Main",
  crumbs: "Where this is",
  pages: "Pages of this list",
  firstPage: "First page",
  nextPage: "Next page",
  home: "All repositories",
  footer: (host: string) => `Berth, the registry at ${host}`,
  places: {
    repositories: "Repositories",
  },
  errors: {
    400: "That request makes no sense here",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Not possible as things are",
    413: "Too large",
    429: "Too many tries",
    500: "Something went wrong",
    503: "Not available now",
    507: "The registry is full",
  },

  signIn: "Sign in",
  signOut: "Sign out",
  user: "User",
  passwordOrToken: "Password, or machine token",
  wrongPassword: "Unknown user, wrong password, or a token that is not valid.",
  tooManyTries: "Too many failed tries. Wait a minute.",
  withoutSigningIn: "Go on without signing in, or with a session that is open already",

  name: "Name",
  tags: "Tags",
  size: "Size",
  ofWhichShared: "Of which shared",
  lastPush: "Last push",
  by: (who: string) => `by ${who}`,
  folder: "Folder",
  filter: "Filter",
  filterByName: "Part of the name",
  found: (count: number) => (count === 1 ? "1 entry" : `${count} entries`),
  noRepositories: (signedIn: boolean): string =>
    signedIn
      ? "There is nothing here that you may see."
      : "There is nothing public here. Sign in to see more.",
  nothingFound: "No repository's name has that part.",
  noneYet: "None so far. Go on to the next page.",
  moreThan: (value: string) => `more than ${value}`,
  unknown: "unknown",
};

/** What another language has to say. */
export type Texts = typeof english;
