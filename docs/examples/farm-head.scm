;; The head of a farm: it builds nothing itself, knows three agents on other
;; machines, and tells others what happens.

(use-modules (gnu)
             (gnu packages curl)
             (gnu services networking)
             (tbfg services))

(operating-system
  (host-name "farm")
  (bootloader (bootloader-configuration
                (bootloader grub-bootloader)
                (targets '("/dev/sda"))))
  (file-systems (cons (file-system
                        (mount-point "/")
                        (device "/dev/sda1")
                        (type "ext4")) %base-file-systems))
  (services
   (append
    (list
     (service dhcpcd-service-type)
     (service tbfg-service-type
       (tbfg-configuration
         (local-agent #f)
         (agent-listen '("0.0.0.0:8745" "[::]:8745"))
         (agent-certificate "/etc/letsencrypt/live/farm.example.org/fullchain.pem")
         (agent-certificate-key "/var/lib/tbfg/secrets/agent-certificate.key")
         (client-listen '("127.0.0.1:8746" "192.168.7.2:8746"))
         (client-token-file "/var/lib/tbfg/secrets/client.token")
         (client-hosts '("farm.example.org"))
         (client-socket "/run/tbfg/client.socket")
         (client-group "users")
         (front-listen '("0.0.0.0:80" "[::]:80"))
         (agents
           (list
             (tbfg-declared-agent
               (name "large")
               (description "64 cores in the basement")
               (systems '("x86_64-linux" "i686-linux"))
               (tags '(("pool" . ("large" "any")))))
             (tbfg-declared-agent
               (name "small")
               (systems '("x86_64-linux")))
             (tbfg-declared-agent
               (name "arm")
               (systems '("aarch64-linux" "armhf-linux"))
               (tags '(("pool" . "arm"))))))
         (collections
           (list
             (tbfg-collection
               (name "science")
               (source 'data-service)
               (url "https://data.guix.gnu.org")
               (team "science")
               (schedule "6h"))
             (tbfg-collection
               (name "ours")
               (manifests
                 (list (plain-file "ours.scm"
                                   "(specifications->manifest '(\"hello\"))")))
               (with-inputs? #t)
               (schedule "mon,thu 04:30"))))
         (hooks
           (list
             ;; The event is JSON on standard input.
             (cons 'build-failure
                   #~(system* #$(file-append curl "/bin/curl")
                              "--data-binary" "@-"
                              "https://chat.example.org/failures"))
             (cons 'build-failure
                   (list (file-append curl "/bin/curl")
                         "--data-binary" "@-"
                         "https://mail.example.org"))
             (tbfg-hook
               (name "packages")
               (events '(package-broken package-fixed))
               (command '("/etc/mail-packages" "team@example.org")))
             (tbfg-hook
               (name "data-service")
               (events '(build-submitted build-started build-success
                         build-failure))
               (data-service
                 (tbfg-data-service
                   (url "https://data.example.org")
                   (build-server-id 3)
                   (token-file "/var/lib/tbfg/secrets/data-service.token")))
               (timeout "30s")
               (attempts 20))))
         (keep-builds-for "2160h")
         (lease "20m")
         (extra-settings '(("coordinator.retry_failures" . 1))))))
    %base-services)))
