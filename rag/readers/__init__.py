"""Files of the corpus -> Documents: `files` opens and reads them, a module a format; `names` tells them by name."""
