"""What a user installs: the wheel and the sdist, on clean environments outside the checkout.

``package`` builds both and uses the wheel on every Python at hand (`make package`), ``lowest`` runs
tests with the lowest versions that pyproject.toml allows (`make test-lowest`), ``extras`` resolves
every extra (`make test-extras`). All three work in virtual environments of their own, made by uv.
"""
