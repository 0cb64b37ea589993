"""One way to files elsewhere: S3, the web, checksums, local copies; what the user wrote becomes a path here."""
