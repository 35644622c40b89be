"""Links that show a site's address and clock to whoever has them, but neither its login nor a way
to change it. Each is signed, good for one site, and worth nothing once that site has ended.
"""

from itsdangerous import BadSignature, Signer
from pydantic import SecretStr

from ..domain.naming import is_instance_id


class Sharing:
    def __init__(self, secret_key: SecretStr) -> None:
        self._signer = Signer(secret_key.get_secret_value(), salt="share")

    def token(self, instance_id: str) -> str:
        return self._signer.sign(instance_id).decode()

    def instance_id(self, token: str) -> str | None:
        """None where the token is not one of ours."""
        try:
            found = self._signer.unsign(token).decode()
        except (BadSignature, UnicodeDecodeError):
            return None
        return found if is_instance_id(found) else None
