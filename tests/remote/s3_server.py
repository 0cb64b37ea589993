"""Commands to moto's S3 server that are not S3."""

import urllib.request


def post(server, path, body=b""):
    plain = {"Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(server + path, body, plain, method="POST")).close()
