"""What others compute from the same samples, each in its library's documented fast way."""
