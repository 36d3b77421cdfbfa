"""Answer the cryptographic operations of KMS that a caller can make directly."""

import base64
import binascii
import hashlib
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from snapshot_dr_provider.sandbox.access.context import encryption_context
from snapshot_dr_provider.sandbox.access.errors import ApiError
from snapshot_dr_provider.sandbox.access.keyring import KeyRecord
from snapshot_dr_provider.sandbox.access.kms_requests import KmsRequest, invalid

_NONCE_BYTES = 12
_LONGEST_PLAINTEXT = 4096
_LONGEST_DATA_KEY = 1024
_DATA_KEY_BYTES = {"AES_256": 32, "AES_128": 16}


class CryptographicOperations(KmsRequest):
    """Encrypt and decrypt for callers who may. The ciphertext is the sandbox's own form and names its key."""

    def encrypt(self) -> str:
        """Encrypt up to 4096 bytes."""
        key = self._usable_key("kms:Encrypt")
        plaintext = _decoded(self.required("Plaintext"), "plaintext")
        if not 1 <= len(plaintext) <= _LONGEST_PLAINTEXT:
            raise invalid("Value at 'plaintext' failed to satisfy constraint: Member must have 1 to 4096 bytes")
        return json.dumps({"KeyId": key.arn, "CiphertextBlob": self._sealed(key, plaintext)})

    def decrypt(self) -> str:
        """Decrypt what ``Encrypt`` or ``GenerateDataKey`` gave out, under the key that it names."""
        blob = _decoded(self.required("CiphertextBlob"), "ciphertextBlob")
        arn, _, sealed = blob.partition(b"\n")
        now = self.authority.now()
        named = arn.decode("latin-1")
        key = self.authority.keys.find(named, "", "", now) if named.startswith("arn:") else None
        if key is None or key.region != self.region:
            raise ApiError("InvalidCiphertextException", "")
        self.judge("kms:Decrypt", key, self._encryption_context())
        if "KeyId" in self.arguments and self.key_for("kms:Decrypt", aliases=True) is not key:
            raise ApiError(
                "IncorrectKeyException", "The key ID in the request does not identify a key that can decrypt"
            )
        self.require_enabled(key)
        self.stop_dry_run()
        try:
            plaintext = AESGCM(_material(key)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._aad())
        except InvalidTag:
            raise ApiError("InvalidCiphertextException", "") from None
        return json.dumps({"KeyId": key.arn, "Plaintext": base64.b64encode(plaintext).decode()})

    def generate_data_key(self) -> str:
        """Return a new data key in clear and encrypted."""
        return json.dumps(self._data_key("kms:GenerateDataKey"))

    def generate_data_key_without_plaintext(self) -> str:
        """Return a new data key, encrypted only."""
        answer = self._data_key("kms:GenerateDataKeyWithoutPlaintext")
        return json.dumps({name: value for name, value in answer.items() if name != "Plaintext"})

    def _data_key(self, action: str) -> dict[str, Any]:
        key = self._usable_key(action)
        spec, size = self.arguments.get("KeySpec"), self.arguments.get("NumberOfBytes")
        if (spec is None) == (size is None):
            raise ApiError("ValidationException", "Please specify either number of bytes or key spec.")
        count = _DATA_KEY_BYTES.get(str(spec), 0) if size is None else int(size)
        if not 1 <= count <= _LONGEST_DATA_KEY:
            raise invalid("Value at 'keySpec' or 'numberOfBytes' failed to satisfy constraint")
        plaintext = os.urandom(count)
        answer = {"KeyId": key.arn, "CiphertextBlob": self._sealed(key, plaintext)}
        return {**answer, "Plaintext": base64.b64encode(plaintext).decode()}

    def _usable_key(self, action: str) -> KeyRecord:
        key = self.key_for(action, aliases=True, context=self._encryption_context())
        self.require_enabled(key)
        self.stop_dry_run()
        return key

    def _encryption_context(self) -> dict[str, str | tuple[str, ...]]:
        return encryption_context(self.arguments.get("EncryptionContext", {}))

    def _aad(self) -> bytes:
        return json.dumps(self.arguments.get("EncryptionContext", {}), sort_keys=True).encode()

    def _sealed(self, key: KeyRecord, plaintext: bytes) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(_material(key)).encrypt(nonce, plaintext, self._aad())
        return base64.b64encode(key.arn.encode() + b"\n" + nonce + sealed).decode()


def _material(key: KeyRecord) -> bytes:
    """Return the key's material. It protects nothing: the sandbox holds no real data."""
    return hashlib.sha256(f"sandbox {key.arn}".encode()).digest()


def _decoded(text: object, member: str) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error:
        raise invalid(f"Value at '{member}' is no base64") from None
