"""The pages, and what draws their figures and makes the site of them."""
