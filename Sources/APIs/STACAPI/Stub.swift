let stub = 1
