module rules

go 1.26

require github.com/traefik/traefik/v3 v3.7.13

// As Traefik has it itself; a module's replacements do not reach those who import it.
replace github.com/gorilla/mux => github.com/containous/mux v0.0.0-20250523120546-41b6ec3aed59
