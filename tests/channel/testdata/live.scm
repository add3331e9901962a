;; The services of a farm that really runs in a test: a program that stands in
;; /opt/tbfg in the place of the package, and ports that nobody else has.

(use-modules (gnu services)
             (gnu services guix)
             (guix gexp)
             (tbfg services))

(define program
  (local-file "/opt/tbfg" "tbfg" #:recursive? #t))

(define coordinator
  (string-append "http://" (getenv "AGENTS")))

(list
 (service tbfg-service-type
   (tbfg-configuration
     (package program)
     (agent-listen (list (getenv "AGENTS")))
     (client-listen (list (getenv "CLIENTS")))
     (front-listen (list (getenv "FRONT")))
     (derivation-substitute-urls '())
     (client-socket "/run/tbfg/client.socket")
     (client-group "users")
     (grace "5s")
     (local-agent
       (tbfg-agent-configuration
         (name "local")
         (max-parallel-builds 1)
         (max-1min-load-average 1000)))))
 (service tbfg-agent-service-type
   (tbfg-agent-configuration
     (package program)
     (coordinator coordinator)
     (authentication
       (tbfg-agent-dynamic-auth
         (agent-name "ours")
         (token (getenv "TOKEN"))))))
 (service guix-build-coordinator-agent-service-type
   (guix-build-coordinator-agent-configuration
     (package program)
     (coordinator coordinator)
     (authentication
       (guix-build-coordinator-agent-dynamic-auth-with-file
         (agent-name "upstream")
         (token-file "/etc/token"))))))
