"""Python environments of their own, for packages that cannot live beside the toolkit."""
