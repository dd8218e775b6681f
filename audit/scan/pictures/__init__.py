"""What a decoded picture shows: two small pictures of it, their statistics, plain bars at its sides."""
