"""Tests of the reproductions: `make test-long` runs them, `make test` leaves them out."""
