"""What a user installs: the wheel and the sdist, on clean environments outside the checkout.

``package`` builds both and uses them on every Python at hand (`make package`), ``lowest`` runs
tests with the lowest versions that pyproject.toml allows (`make test-lowest`), ``extras`` resolves
every extra and ``examples`` runs the pages and examples of the integrations where their extra alone
is installed (`make test-extras`). All work in virtual environments of their own, made by uv.
"""
