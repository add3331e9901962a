;; The channels of a machine that runs a farm: Guix's own, and that of tbfg.
;;
;;   guix pull -C channel.scm
;;   guix time-machine -C channel.scm -- system reconfigure config.scm

(cons (channel
       (name 'tbfg)
       (url "https://codeberg.org/tbfg/tbfg")
       (branch "main"))
      %default-channels)
