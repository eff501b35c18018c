"""What measures by doing work: closed loops, acknowledged writes."""
