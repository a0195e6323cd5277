//! Which containers a process belongs to, by the names of its control groups.
//!
//! Owns: the ways in which container engines spell a container's id there. Pure. Refuses: asking an engine, of which there are many, each with a
//! socket and rights of its own.

/// Digits of a container id, hexadecimal, in all engines that number their containers.
const ID_DIGITS: usize = 64;

/// Groups that are called by a container's id and hold its monitor, not the container.
const MONITORS: [&str; 2] = ["libpod-conmon-", "crio-conmon-"];

/// The ids in the text of `/proc/PID/cgroup`, each once, the outermost container first. One container may run in another.
#[must_use]
pub fn container_ids(text: &str) -> Vec<&str> {
    let mut ids: Vec<&str> = Vec::new();
    // A line: hierarchy, controllers, path. The path may hold colons.
    for path in text.lines().filter_map(|line| line.splitn(3, ':').nth(2)) {
        for id in path.split('/').filter_map(container_id) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    ids
}

/// The id in one component: `ID`, `ENGINE-ID.scope`, `SLICE:ENGINE:ID`.
fn container_id(component: &str) -> Option<&str> {
    if MONITORS.iter().any(|monitor| component.starts_with(monitor)) {
        return None;
    }
    let name = component.strip_suffix(".scope").unwrap_or(component);
    let id = name.rsplit(['-', ':']).next()?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (id.len() == ID_DIGITS && id.bytes().all(is_digit)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::container_ids;
    use proptest::prelude::*;

    const A: &str = "3f1c0a9be2d54c7788aa0b1c2d3e4f505f6e7d8c9b0a19283746556473829100";
    const B: &str = "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfb0b1b2b3b4b5b6b7b8b9babbbcbdbebf";

    /// Lines as engines write them, with `A` and `B` for ids.
    #[test]
    fn ids_are_found_as_engines_spell_them() {
        for (engine, text, expected) in [
            (
                "docker, cgroup 1",
                "12:pids:/docker/A\n11:memory:/docker/A\n1:name=systemd:/docker/A\n",
                &[A][..],
            ),
            ("docker, cgroup 2, systemd", "0::/system.slice/docker-A.scope\n", &[A]),
            ("docker, cgroup 2, cgroupfs", "0::/docker/A\n", &[A]),
            ("docker, inside a service", "0::/system.slice/docker-A.scope/init.scope\n", &[A]),
            (
                "docker, rootless",
                "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-A.scope\n",
                &[A],
            ),
            ("docker in docker", "0::/system.slice/docker-A.scope/docker/B\n", &[A, B]),
            ("podman", "0::/machine.slice/libpod-A.scope/container\n", &[A]),
            (
                "podman, rootless",
                "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-A.scope\n",
                &[A],
            ),
            ("podman's monitor", "0::/machine.slice/libpod-conmon-A.scope\n", &[]),
            (
                "cri-o",
                "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod5f_6.slice/crio-A.scope\n",
                &[A],
            ),
            ("cri-o's monitor", "0::/kubepods.slice/kubepods-podx.slice/crio-conmon-A.scope\n", &[]),
            (
                "containerd in kubernetes, systemd",
                "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0a1b_2.slice/cri-containerd-A.scope\n",
                &[A],
            ),
            (
                "containerd in kubernetes, cgroupfs",
                "9:cpuset:/kubepods/besteffort/pod0a1b2c3d-0000-1111-2222-333344445555/A\n",
                &[A],
            ),
            (
                "containerd with systemd's slice and no driver",
                "0::/system.slice/containerd.service/kubepods-burstable-pod0a.slice:cri-containerd:A\n",
                &[A],
            ),
            ("docker as kubernetes' engine", "4:cpu:/kubepods/burstable/podaaaa/A\n", &[A]),
            (
                "kind: a node in docker",
                "0::/system.slice/docker-A.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podx.slice/cri-containerd-B.scope\n",
                &[A, B],
            ),
            ("ecs on ec2", "3:memory:/ecs/0123456789abcdef0123456789abcdef/A\n", &[A]),
            ("nerdctl", "0::/system.slice/nerdctl-A.scope\n", &[A]),
            ("seen from inside", "0::/\n", &[]),
            ("seen from a sibling", "0::/../docker-A.scope\n", &[A]),
            (
                "no container",
                "0::/user.slice/user-0.slice/session-4.scope\n1:name=systemd:/init.scope\n",
                &[],
            ),
            ("a pod, a service, a number too short", "0::/kubepods/pod3f1c0a9b/3f1c0a9be2d54c77\n", &[]),
            (
                "not hexadecimal",
                "0::/docker/zzzz0a9be2d54c7788aa0b1c2d3e4f505f6e7d8c9b0a19283746556473829100\n",
                &[],
            ),
            ("no lines", "", &[]),
            ("nonsense", "::\n:::\ndocker-A.scope\n", &[]),
        ] {
            let text = text.replace('A', A).replace('B', B);
            assert_eq!(container_ids(&text), expected, "{engine}: {text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_handled(text in "([0-9:/a-f.-]|docker-|\\n|\\PC){0,200}") {
            let _ = container_ids(&text);
        }
    }
}
