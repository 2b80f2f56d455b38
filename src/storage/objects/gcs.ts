/**
 * Google Cloud Storage, by its XML API with HMAC keys, which answers as S3 does. What differs: many keys are not deleted
 * by one request, requests are signed for the region "auto", and aws-chunked bodies are not taken: none are sent.
 */

import { openLikeS3 } from "./s3/s3.ts";
import type { OpenStore } from "./store-settings.ts";

export const openGcs: OpenStore = (settings) => openLikeS3(settings, { region: "auto", deletesMany: false });
