X = 1
DEFAULT_TIMEOUT = 60

def load_config():
    config = {}
    config["debug"] = True
