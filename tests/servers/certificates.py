"""
Certificates for the tests of TLS, made by the openssl command.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_EXTENSIONS = """
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:FALSE
keyUsage = digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = {names}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[req]
distinguished_name = dn
[dn]
"""


@dataclass(frozen=True)
class Identity:
    """
    A certificate and its key, as paths of PEM files.
    """

    cert: str
    key: str


class Authority:
    """
    A certificate authority with its files in *folder*.
    """

    def __init__(self, folder, name="authority"):
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.cert, self._key = self._path("pem"), self._path("key")
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-subj", f"/CN={name}", "-config", self._config("none")),
            *("-extensions", "ca", "-keyout", self._key, "-out", self.cert),
        )

    def identity(
        self, name, names="DNS:localhost,IP:127.0.0.1", *, expired=False
    ):
        """
        A certificate that is signed here, and its key.
        """
        stem = f"{self.name}-{name}"
        made = Identity(
            str(self._folder / f"{stem}.pem"),
            str(self._folder / f"{stem}.key"),
        )
        request = str(self._folder / f"{stem}.csr")
        config = self._config(stem, names)
        _openssl(
            *("req", "-newkey", "ec", "-nodes", "-subj", f"/CN={name}"),
            *("-pkeyopt", "ec_paramgen_curve:P-256", "-config", config),
            *("-keyout", made.key, "-out", request),
        )
        if expired:
            self._sign_expired(request, config, made.cert)
        else:
            _openssl(
                *("x509", "-req", "-in", request, "-days", "2"),
                *("-CA", self.cert, "-CAkey", self._key, "-CAcreateserial"),
                *("-extfile", config, "-extensions", "leaf"),
                *("-out", made.cert),
            )
        return made

    def encrypted(self, identity, password):
        """
        The same with its key encrypted.
        """
        path = f"{identity.key}.encrypted"
        _openssl(
            *("pkey", "-aes256", "-passout", f"pass:{password}"),
            *("-in", identity.key, "-out", path),
        )
        return Identity(identity.cert, path)

    def _sign_expired(self, request, config, path):
        # of the subcommands only `ca` takes dates that have passed
        folder = self._folder / f"{Path(path).stem}-issued"
        folder.mkdir()
        (folder / "index").write_text("")
        (folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca = one\n[one]\ndatabase = {folder}/index\n"
            f"new_certs_dir = {folder}\nrand_serial = yes\n"
            "default_md = sha256\npolicy = any\n"
            "[any]\ncommonName = supplied\n"
        )
        _openssl(
            *("ca", "-batch", "-notext", "-config", str(folder / "ca.cnf")),
            *("-startdate", "20200101000000Z", "-enddate", "20200102000000Z"),
            *("-cert", self.cert, "-keyfile", self._key, "-in", request),
            *("-extfile", config, "-extensions", "leaf", "-out", path),
        )

    def _path(self, ending):
        return str(self._folder / f"{self.name}.{ending}")

    def _config(self, stem, names="DNS:none"):
        path = self._folder / f"{stem}.cnf"
        path.write_text(_EXTENSIONS.format(names=names))
        return str(path)


def _openssl(*arguments):
    subprocess.run(
        ["openssl", *arguments],
        check=True,
        capture_output=True,
        timeout=30,
    )
