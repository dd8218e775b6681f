"""What the bytes of a file say without its picture being decoded: damage, early ends, segments."""
