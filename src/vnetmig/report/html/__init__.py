"""Reports as one HTML file each: page.py is the skeleton of all of them, explorer.py the first of them."""
