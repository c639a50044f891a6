"""Give the code a setting and a secret, as environment variables."""

import asyncio

from ipybox import ExecutionClient, ExecutionContainer

SIGN = """
import hashlib, hmac, os

key = os.environ["SIGNING_KEY"].encode()
signature = hmac.new(key, b"invoice 17", hashlib.sha256).hexdigest()
print(signature[: int(os.environ["SIGNATURE_CHARS"])])
"""


async def main() -> None:
    # A real program would read the key from a vault, or from its own environment
    variables = {"SIGNING_KEY": "for demonstration only", "SIGNATURE_CHARS": "16"}
    async with ExecutionContainer(env=variables) as container:
        async with ExecutionClient(container.port) as client:
            signed = await client.execute(SIGN)
        print("Signature:", signed.text)
        # The values appear neither in the repr of the container nor in logs and errors
        print("Key in the repr:", variables["SIGNING_KEY"] in repr(container))


if __name__ == "__main__":
    asyncio.run(main())
