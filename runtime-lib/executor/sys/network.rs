//! Sockets.

use core::mem::size_of;

use super::{Fd, Result, arch, check, close, fd, nr, plain, unit};

/// Reads the flags of "lo", adds IFF_UP, writes them back.
pub fn loopback_up() -> Result<()> {
    const AF_INET: usize = 2;
    const SOCK_DGRAM_CLOEXEC: usize = 2 | 0o2000000;
    const SIOCGIFFLAGS: usize = 0x8913;
    const SIOCSIFFLAGS: usize = 0x8914;
    let mut request = [0u8; 40]; // struct ifreq: 16 bytes of name, then the flags
    request[..2].copy_from_slice(b"lo");
    let socket = fd(plain(nr::SOCKET, [AF_INET, SOCK_DGRAM_CLOEXEC, 0, 0, 0, 0]))?;
    let result =
        unit(call!(nr::IOCTL, socket, SIOCGIFFLAGS, request.as_mut_ptr())).and_then(|()| {
            request[16] |= 1; // IFF_UP
            unit(call!(nr::IOCTL, socket, SIOCSIFFLAGS, request.as_mut_ptr()))
        });
    close(socket);
    result
}

const SOL_SOCKET_SCM_RIGHTS: u64 = 1 | 1 << 32; // cmsg_level and cmsg_type, both 1
const LENGTH: u64 = 20; // CMSG_LEN(4)

/// sendmsg of `data` with one descriptor as SCM_RIGHTS (unix(7)).
pub fn send_descriptor(socket: Fd, descriptor: Fd, data: &[u8]) -> Result<()> {
    const MSG_NOSIGNAL: usize = 0x4000;
    let control = [LENGTH, SOL_SOCKET_SCM_RIGHTS, u64::from(descriptor as u32)];
    let vector = [data.as_ptr() as usize, data.len()];
    // struct msghdr: name, its length, vector, its length, control, its length, flags.
    let control_size = size_of::<[u64; 3]>();
    let message = [0, 0, vector.as_ptr() as usize, 1, control.as_ptr() as usize, control_size, 0];
    unit(call!(nr::SENDMSG, socket, message.as_ptr(), MSG_NOSIGNAL))
}

/// recvmsg of a packet with at most one descriptor: the packet's size, and the descriptor.
pub fn receive_descriptor(socket: Fd, data: &mut [u8]) -> Result<(usize, Option<Fd>)> {
    const MSG_CMSG_CLOEXEC: usize = 0x4000_0000;
    let mut control = [0u64; 3];
    let vector = [data.as_mut_ptr() as usize, data.len()];
    let (vector_at, control_at) = (vector.as_ptr() as usize, control.as_mut_ptr() as usize);
    let mut message = [0, 0, vector_at, 1, control_at, size_of::<[u64; 3]>(), 0];
    let received = call!(nr::RECVMSG, socket, message.as_mut_ptr(), MSG_CMSG_CLOEXEC);
    let size = check(received)?;
    let [length, kind, descriptor] = control;
    let came = length == LENGTH && kind == SOL_SOCKET_SCM_RIGHTS;
    Ok((size, came.then_some(descriptor as u32 as Fd)))
}
