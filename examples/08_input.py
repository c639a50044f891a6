"""Answer the code's input prompts with a callback."""

import asyncio

from ipybox import ExecutionClient, ExecutionContainer


def answer(prompt: str, password: bool) -> str:
    # A real program would ask its user here, and hide the input if password is True
    return "secret" if password else "Ada"


async def main() -> None:
    async with ExecutionContainer() as container:
        async with ExecutionClient(host="localhost", port=container.port) as client:
            code = """
                import getpass
                name = input("Your name? ")
                word = getpass.getpass("Your password? ")
                print(f"Hello {name}, your password has {len(word)} characters")
            """
            result = await client.execute(code, stdin=answer)
            print(result.text)


if __name__ == "__main__":
    asyncio.run(main())
