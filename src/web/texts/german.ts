/** Every text of the pages, in German. */

import type { Texts } from "./english.ts";

export const german: Texts = {
  skip: "Zum Inhalt springen",
  navigation: "Hauptnavigation",
  crumbs: "Wo das liegt",
  pages: "Seiten dieser Liste",
  firstPage: "Erste Seite",
  nextPage: "Nächste Seite",
  home: "Alle Repositories",
  footer: (host) => `Berth, die Registry auf ${host}`,
  places: {
    repositories: "Repositories",
  },
  errors: {
    400: "Diese Anfrage ergibt hier keinen Sinn",
    403: "Nicht erlaubt",
    404: "Nicht gefunden",
    405: "Hier nicht möglich",
    409: "So, wie es gerade ist, nicht möglich",
    413: "Zu groß",
    429: "Zu viele Versuche",
    500: "Etwas ist schiefgegangen",
    503: "Gerade nicht erreichbar",
    507: "Die Registry ist voll",
  },

  signIn: "Anmelden",
  signOut: "Abmelden",
  user: "Benutzername",
  passwordOrToken: "Passwort oder Maschinentoken",
  wrongPassword: "Unbekannter Name, falsches Passwort oder ungültiges Token.",
  tooManyTries: "Zu viele fehlgeschlagene Versuche. Bitte eine Minute warten.",
  withoutSigningIn: "Ohne Anmeldung weiter, oder mit einer Sitzung, die schon offen ist",

  name: "Name",
  tags: "Tags",
  size: "Größe",
  ofWhichShared: "Davon geteilt",
  lastPush: "Letzter Push",
  by: (who) => `von ${who}`,
  folder: "Ordner",
  filter: "Filtern",
  filterByName: "Teil des Namens",
  found: (count) => (count === 1 ? "1 Eintrag" : `${count} Einträge`),
  noRepositories: (signedIn) =>
    signedIn
      ? "Hier ist nichts, was du sehen darfst."
      : "Hier ist nichts öffentlich. Melde dich an, um mehr zu sehen.",
  nothingFound: "Kein Repository hat das im Namen.",
  noneYet: "Bisher keines. Weiter auf der nächsten Seite.",
  moreThan: (value) => `mehr als ${value}`,
  unknown: "unbekannt",
};
