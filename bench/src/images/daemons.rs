//! A registry and a containerd of our own, ended when dropped.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Both, with all they keep below one directory.
pub struct Daemons {
    /// The registry's, on 127.0.0.1.
    pub port: u16,
    /// containerd's, if it is installed.
    pub socket: Option<String>,
    children: Vec<Child>,
}

impl Daemons {
    /// Starts them and waits until they answer.
    pub fn start(dir: &Path) -> Result<Self, String> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
        let port = port.map_err(|e| format!("bind: {e}"))?.port();
        let mut daemons = Self { port, socket: None, children: Vec::new() };
        daemons.registry(dir)?;
        if let Err(e) = daemons.containerd(dir) {
            eprintln!("bench: containerd: {e}: left out");
        }
        Ok(daemons)
    }

    fn registry(&mut self, dir: &Path) -> Result<(), String> {
        let (port, file) = (self.port, dir.join("registry.yml"));
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\n\
             http: {{ addr: '127.0.0.1:{port}' }}\n",
            dir.join("registry").display()
        );
        std::fs::write(&file, config).map_err(|e| e.to_string())?;
        self.spawn(Command::new("docker-registry").arg("serve").arg(&file))?;
        until("the registry", || TcpStream::connect(("127.0.0.1", port)).is_ok())
    }

    fn containerd(&mut self, dir: &Path) -> Result<(), String> {
        let [root, state, opt, socket] =
            ["root", "state", "opt", "sock"].map(|name| dir.join("containerd").join(name));
        std::fs::create_dir_all(&opt).map_err(|e| e.to_string())?;
        let config = format!(
            "version = 2\nroot = {root:?}\nstate = {state:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {socket:?}\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = {opt:?}\n"
        );
        let file = dir.join("containerd/config.toml");
        std::fs::write(&file, config).map_err(|e| e.to_string())?;
        self.spawn(Command::new("containerd").arg("-c").arg(&file))?;
        until("containerd", || {
            let mut ctr = Command::new("ctr");
            ctr.arg("-a").arg(&socket).arg("version").stdout(Stdio::null()).stderr(Stdio::null());
            ctr.status().is_ok_and(|status| status.success())
        })?;
        self.socket = Some(socket.display().to_string());
        Ok(())
    }

    fn spawn(&mut self, command: &mut Command) -> Result<(), String> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let program = quiet.get_program().display().to_string();
        self.children.push(quiet.spawn().map_err(|e| format!("{program}: {e}"))?);
        Ok(())
    }
}

fn until(what: &str, mut ready: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !ready() {
        if Instant::now() > deadline {
            return Err(format!("{what} does not answer"));
        }
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for child in &mut self.children {
            let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let _ = child.wait();
        }
    }
}
