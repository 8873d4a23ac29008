"""What every room stands on: ragged arrays, states that add, scores, protocols, errors."""
