/** Who may ask the bucket's S3 endpoint, in tests. */
export const S3_KEYS = { accessKeyId: "the-key", secretAccessKey: "the-very-secret-key" };
