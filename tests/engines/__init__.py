"""What every engine must keep, by the same tests against each of them."""
