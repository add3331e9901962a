;; The machine of the post "Tiny Build Farm for Guix, part 1", with the services
;; of tbfg in the place of the Guix Build Coordinator's.  The keys are those of
;; the directory keys/guix of the guix/maintenance repository.

(use-modules (gnu)
             (gnu services guix)
             (gnu services networking)
             (tbfg services))

(operating-system
  (host-name "bedok")
  (bootloader (bootloader-configuration
                (bootloader grub-bootloader)
                (targets '("/dev/sda"))))
  (file-systems (cons (file-system
                        (mount-point "/")
                        (device "/dev/sda1")
                        (type "ext4")) %base-file-systems))
  (services
   (append
    (modify-services %base-services
      (guix-service-type config =>
        (guix-configuration
          (inherit config)
          (substitute-urls '("https://bordeaux.guix.gnu.org"))
          (authorized-keys
           (list
            (local-file "keys/guix/bordeaux.guix.gnu.org-export.pub")
            (local-file "keys/guix/data.guix.gnu.org.pub")))
          (max-silent-time (* 24 3600))
          (timeout (* 48 3600)))))
    (list
     (service dhcpcd-service-type)

     ;; The coordinator, and the web server: logs, and BFFE for all else.
     (service tbfg-service-type
       (tbfg-configuration
         (front-listen '("0.0.0.0:80" "[::]:80"))
         (bffe "http://localhost:8767")
         (local-agent #f)))

     ;; The agent, as in the post.  It could be the farm's local-agent, which
     ;; needs no UUID and no password.
     (service tbfg-agent-service-type
       (tbfg-agent-configuration
         (authentication
           (tbfg-agent-password-file-auth
             (uuid "e092df28-3418-4f94-b7f0-a214b03291ee")
             (password-file
               "/etc/guix-build-coordinator/agent-bedok-passwd")))
         (derivation-substitute-urls
           '("https://data.guix.gnu.org"))
         (non-derivation-substitute-urls
           '("https://bordeaux.guix.gnu.org"))
         (systems '("x86_64-linux" "i686-linux"))
         (max-parallel-builds 4)
         (max-parallel-uploads 2)
         (max-1min-load-average 6)))

     (service bffe-service-type
       (bffe-configuration
         (arguments
           #~(list
             #:web-server-args
               '(#:event-source "http://localhost:8746"
                 #:controller-args (#:title "Science team build farm"))))))))))
