package main

// manSections are what the man page says besides what the commands say of
// themselves.
var manSections = []struct {
	title   string
	entries [][2]string
}{
	{"EXIT STATUS", [][2]string{
		{"0", "All went well."},
		{"1", "Something went wrong; standard error says what. \"tbfg build wait\" says so of builds that did not succeed."},
		{"2", "The program was called in a wrong way."},
	}},
	{"FILES", [][2]string{
		{systemConfig, "The configuration, unless --config names another file. \"tbfg config show\" prints all keys with their meaning."},
		{defaultStateDir + "/tbfg.db", "The farm's database. \"tbfg backup\" copies it."},
		{defaultStateDir + "/build-logs", "The logs of builds."},
		{defaultStateDir + "/secrets", "The local agent's UUID and password."},
		{"~/.cache/tbfg-agent", "An agent's logs under way and, if it enrolled with a token, its password."},
	}},
	{"ENVIRONMENT", [][2]string{
		{coordinatorServer.env, "URL of the coordinator that commands ask, in the place of the configuration's coordinator.client_listen (" + coordinatorServer.url + ")."},
		{frontServer.env, "URL of the log endpoint that \"tbfg build log\" asks, in the place of the configuration's front.listen (" + frontServer.url + ")."},
		{"GUIX_DAEMON_SOCKET", "Address of the guix-daemon that an agent uses, unless the configuration names one."},
		{"XDG_CACHE_HOME", "Directory in the place of ~/.cache."},
	}},
}

const manExamples = `A whole farm on one machine:

   tbfg serve --state-dir=/var/lib/tbfg --local-agent

Build a package and wait for it:

   tbfg build $(guix build hello --derivations)
   tbfg build wait

Submit many builds with a tag, and see how they are:

   guix build --derivations $(cat packages) | tbfg build --tag=set=mine -
   tbfg build summary --tag=set=mine

Add an agent on another machine:

   tbfg agent new --name=bedok
   tbfg agent UUID password new
   tbfg agent run --coordinator=https://farm.example --uuid=UUID --password-file=FILE`
