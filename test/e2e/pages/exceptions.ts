/** The lines of the pages that are not run by pages.test.ts, each with its reason. Whatever is in no list is run. */

const IN_CI = "it is what runs this test";
const A_SUITE = "it is a suite of tests by itself, of many minutes";

export const EXCEPTIONS: Readonly<Record<string, string>> = {
  "git pull": "nothing new is to come while this runs",
  "npm run deploy": "test/cli/deploy.test.ts deploys, over an older version too",
  "npm ci && npm start": "npm ci was run before this test, and npm start runs beside it",
  "npm ci && npm test": IN_CI,
  "npm ci": IN_CI,
  "npm test": IN_CI,
  "npm run test:cli": IN_CI,
  "npm run check": IN_CI,
  "npm install --prefix /tmp/azurite azurite@3.37.0": IN_CI,
  "AZURITE_HOME=/tmp/azurite STORE=azure npx vitest run --config test/vitest.config.ts --project worker":
    A_SUITE,
  "S3_SERVER=$(test/support/radosgw.sh start /tmp/radosgw) STORE=server npx vitest run --config test/vitest.config.ts --project worker":
    A_SUITE,
  "AZURITE_HOME=/tmp/azurite npm run soak -- --store azure --faults": A_SUITE,
  "DATABASES=3 npx vitest run --config test/vitest.config.ts --project worker test/api": A_SUITE,
  "npm run soak -- --databases 3": A_SUITE,
  "BERTH_STATE=/srv/berth npm start": "it is how the registry beside this test was started",
  "npm start -- --var STORE_FALLBACK:r2": "test/e2e/local-disk.test.ts moves such a state",
  "docker pull busybox": "Docker Hub is on the internet: an image of that name is there",
  "npx wrangler login && npm run deploy": "the login is in a browser; test/cli/deploy.test.ts deploys",
  "docker buildx build --output type=oci,dest=app.tar .":
    "Debian 12 has no buildx; skopeo makes that file here",
  "regctl registry set registry.example.com --blob-max 50000000 --blob-chunk 33554432":
    "Debian has no regctl",
  "rclone sync r2:berth ./objects": "it asks R2 itself",
  "rclone sync ./objects r2:berth": "likewise",
  "az storage container generate-sas --account-name <account> --name berth --permissions racwdl --expiry 2027-12-31 --https-only --output tsv | npx wrangler secret put STORE_SAS":
    "it asks Azure itself",
};

/** Lines that do not end by themselves: what shows that they are there, below the relay's address. */
export const IN_THE_BACKGROUND: readonly string[] = ["npx berth relay https://registry.example.com"];
