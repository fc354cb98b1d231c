"""The site: `stage` puts together what Sphinx reads, in the order of `pages`."""
